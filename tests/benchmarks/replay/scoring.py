"""Turning completion answers into ranks, and ranks into the reported numbers."""

import re
import statistics

from rapidfuzz import fuzz

FIRST_TOKEN = re.compile(r"\s*([^\W\d]\w*|\d[\w.]*|\*\*=|//=|>>=|<<=|\.\.\.|->|:=|[-+*/%@&|^=!<>]=|\*\*|//|<<|>>|\S)")
TOP = 5
MRR_DEPTH = 10
RANKING = ("top1", "top5", "mrr10", "listed")


def first_token(text):
    match = FIRST_TOKEN.match(text)
    return match.group(1) if match else ""


def shown_list(items, before_cursor, character_of):
    """What the editor shows, best first: the text each item adds after the cursor.

    Items are filtered by the text they would replace and sorted by sortText, or else by
    label. None stands for an item that would rewrite what is already typed.
    """
    shown = []
    for item in items:
        edit = item.get("textEdit")
        new_text = edit["newText"] if edit else item.get("insertText") or item["label"]
        if edit:
            span = edit.get("range") or edit["insert"]
            replaced = before_cursor[character_of(span["start"]["character"]) :]
        else:
            replaced = re.search(r"\w*$", before_cursor).group()
        key = item.get("filterText") or item["label"]
        if not key.lower().startswith(replaced.lower()):
            continue
        order = (not key.startswith(replaced), (item.get("sortText") or item["label"]).lower(), item["label"].lower())
        shown.append((order, new_text[len(replaced) :] if new_text.startswith(replaced) else None))
    return [added for _, added in sorted(shown, key=lambda pair: pair[0])]


def rank_of(truth, typed, shown):
    """One-based place of the first entry whose next token is the true one, or None."""
    for place, added in enumerate(shown, 1):
        if added is not None and first_token(typed + added) == truth:
            return place
    return None


def first_multi_token(shown):
    """The best-placed entry that writes more than one token, as its first line, or None."""
    for added in shown:
        line = (added or "").split("\n", 1)[0].rstrip()
        token = first_token(line)
        if token and line.strip() != token:
            return line
    return None


def edit_similarity(left, right):
    """The edit similarity that benchmarks of completion report (Lu et al., *CodeXGLUE*, 2021), as a share.

    It is twice the longest common subsequence over both lengths, rounded to a percent.
    """
    return round(fuzz.ratio(left, right)) / 100


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def mean(values):
    values = list(values)
    return statistics.fmean(values) if values else None


def ranking(records):
    """Top-1, top-5, mean reciprocal rank, and presence anywhere in the list, of a group of records."""
    ranks = [record["rank"] for record in records]
    return {
        "n": len(ranks),
        "top1": mean(rank == 1 for rank in ranks),
        "top5": mean(rank is not None and rank <= TOP for rank in ranks),
        "mrr10": mean(1 / rank if rank and rank <= MRR_DEPTH else 0 for rank in ranks),
        "listed": mean(rank is not None for rank in ranks),
    }


def weighted(groups, weights):
    """Combine the rankings of the token classes by the classes' shares of all tokens."""
    groups = {kind: group for kind, group in groups.items() if group["n"]}
    total = sum(weights[kind] for kind in groups)
    combined = {"n": sum(group["n"] for group in groups.values())}
    for metric in RANKING:
        combined[metric] = total and sum(weights[kind] * group[metric] for kind, group in groups.items()) / total
    return combined


def characters_saved(episode):
    """Characters of a token that need no typing when it is accepted on reaching the top five."""
    length = len(episode[0]["truth"])
    for record in sorted(episode, key=lambda record: record["typed"]):
        if record["rank"] is not None and record["rank"] <= TOP:
            return length - record["typed"]
    return 0


def keystrokes_saved(records, tokens, kinds):
    """Share of the characters of the given token classes that a user is spared."""
    spared = written = 0.0
    for kind in kinds:
        episodes = {}
        for record in records:
            if record["kind"] == kind:
                episodes.setdefault((record["file"], record["episode"]), []).append(record)
        if episodes:
            spared += tokens[kind] * mean(map(characters_saved, episodes.values()))
            written += tokens[kind] * mean(len(e[0]["truth"]) for e in episodes.values())
    return spared / written if written else None


def line_scores(records):
    """Full-line numbers over the positions with nothing typed."""
    offers = [record for record in records if record["line_offer"]]
    return {
        "offered": mean(bool(record["line_offer"]) for record in records),
        "first_token": mean(first_token(record["line_offer"] or "") == record["truth"] for record in records),
        "exact": mean(record["line_exact"] for record in records),
        "similarity": mean(record["line_similarity"] for record in records),
        "similarity_when_offered": mean(record["line_similarity"] for record in offers),
    }


def offered(records, tokens):
    """Share of all tokens that the popup's top five or the ghost text's first token has right, weighted by class."""
    shares = {}
    for kind in ("name", "attr", "other"):
        group = [record for record in records if record["kind"] == kind and record["typed"] == 0]
        if group:
            shares[kind] = mean(
                (record["rank"] is not None and record["rank"] <= TOP)
                or first_token(record["line_offer"] or "") == record["truth"]
                for record in group
            )
    total = sum(tokens[kind] for kind in shares)
    return sum(tokens[kind] * share for kind, share in shares.items()) / total if total else None


def summarize(records, tokens):
    """All accuracy numbers of one setting."""
    fresh = [record for record in records if record["typed"] == 0]
    kinds = {kind: ranking(r for r in fresh if r["kind"] == kind) for kind in ("name", "attr", "other")}
    begun = [record for record in records if record["typed"] > 0]

    def where(kind, flag, value):
        return ranking(r for r in fresh if r["kind"] == kind and r[flag] is value)

    return {
        **kinds,
        "typed": ranking(begun),
        **{f"typed{count}": ranking(r for r in begun if r["typed"] == count) for count in (1, 2, 3)},
        "all_tokens": weighted(kinds, tokens),
        "name_seen": where("name", "seen_above", True),
        "name_new": where("name", "seen_above", False),
        "name_use": where("name", "binding", False),
        "attr_self": where("attr", "after_self", True),
        "attr_not_self": where("attr", "after_self", False),
        "attr_seen": where("attr", "seen_above", True),
        "attr_new": where("attr", "seen_above", False),
        "saved_identifiers": keystrokes_saved(records, tokens, ("name", "attr")) if begun else None,
        "saved_all_tokens": keystrokes_saved(records, tokens, ("name", "attr", "other")) if begun else None,
        "offered": offered(records, tokens),
        "line": line_scores(fresh),
        "items_median": statistics.median([r["items"] for r in records]) if records else None,
        "empty_lists": mean(r["items"] == 0 for r in records),
    }
