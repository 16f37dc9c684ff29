"""Markdown tables from replay results, over the requests that all the runs made.

usage: python3 report.py RESULT.json...
"""

import json
import statistics
import sys
from collections import Counter

import scoring

ACCURACY = [
    ("names, 0 typed", "name"),
    ("after a dot, 0 typed", "attr"),
    ("identifiers, 1-3 typed", "typed"),
    ("keywords/operators/numbers", "other"),
    ("all tokens (weighted)", "all_tokens"),
    ("names seen above", "name_seen"),
    ("names new here", "name_new"),
    ("names, uses only", "name_use"),
    ("after self.", "attr_self"),
    ("after other dots", "attr_not_self"),
    ("attrs seen above", "attr_seen"),
    ("attrs new here", "attr_new"),
    ("1 typed", "typed1"),
    ("2 typed", "typed2"),
    ("3 typed", "typed3"),
]


def key(record):
    return record["file"], record["setting"], record["episode"], record["typed"]


def summarize_run(result, wanted=None):
    """Speed and reliability of the run, and accuracy by setting over the wanted requests."""
    records = [r for r in result["records"] if wanted is None or key(r) in wanted]
    sessions = result["sessions"]
    times = [r["ms"] for r in records if r["ms"] is not None and not r.get("first")]
    inline_times = [r["inline_ms"] for r in records if r["inline_ms"] is not None]
    started = [s["initialize_ms"] for s in sessions if "initialize_ms" in s]
    first = [s["first_completion_ms"] for s in sessions if "first_completion_ms" in s]
    memory = [s["peak_rss"] / 2**20 for s in sessions]
    return {
        "files": len({r["file"] for r in records}),
        "requests": len(records),
        "p50_ms": scoring.percentile(times, 0.5),
        "p95_ms": scoring.percentile(times, 0.95),
        "p99_ms": scoring.percentile(times, 0.99),
        "inline_p50_ms": scoring.percentile(inline_times, 0.5),
        "inline_p95_ms": scoring.percentile(inline_times, 0.95),
        "initialize_ms": statistics.median(started) if started else None,
        "first_completion_ms": statistics.median(first) if first else None,
        "peak_rss_mib": statistics.median(memory) if memory else None,
        "peak_rss_mib_max": max(memory, default=None),
        "cpu_ms_per_request": 1000
        * sum(s["cpu_seconds"] - s.get("start_cpu_seconds", 0) for s in sessions)
        / max(1, len(result["records"])),
        "start_cpu_ms": 1000 * statistics.median([s.get("start_cpu_seconds", 0) for s in sessions])
        if sessions
        else None,
        "load": statistics.median([s["load"] for s in sessions]) if sessions else None,
        "timeouts": sum(r["error"] == "timeout" for r in records),
        "errors": sum(bool(r["error"]) and r["error"] != "timeout" for r in records),
        "error_kinds": Counter(r["error"] for r in records if r["error"]).most_common(5),
        "crashes": sum(bool(s["crashed"]) for s in sessions),
        "accuracy": {
            setting: scoring.summarize([r for r in records if r["setting"] == setting], result["tokens"])
            for setting in sorted({r["setting"] for r in records})
        },
    }


def number(value, digits=0):
    return "-" if value is None else f"{value:.{digits}f}"


def percent(value):
    return "-" if value is None else f"{100 * value:.1f}"


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in lines) + "\n"


def tables(results):
    """Everything a reader wants from some runs, as Markdown."""
    wanted = set.intersection(*({key(r) for r in result["records"]} for result in results))
    runs = {result["name"]: summarize_run(result, wanted) for result in results}
    files = next(iter(runs.values()))["files"]
    parts = [
        f"{len(wanted)} requests in {files} files that every run reached.\n",
        table(
            [
                "server",
                "start ms",
                "first completion ms",
                "p50 ms",
                "p95 ms",
                "p99 ms",
                "CPU ms/request",
                "start and warm-up CPU ms",
                "machine load",
                "peak MiB median",
                "peak MiB max",
                "timeouts",
                "errors",
                "crashed or hung",
                "inline p50/p95 ms",
            ],
            [
                [
                    name,
                    *(number(run[field]) for field in ("initialize_ms", "first_completion_ms")),
                    *(
                        number(run[field], 1)
                        for field in ("p50_ms", "p95_ms", "p99_ms", "cpu_ms_per_request", "start_cpu_ms", "load")
                    ),
                    *(number(run[field]) for field in ("peak_rss_mib", "peak_rss_mib_max")),
                    run["timeouts"],
                    run["errors"],
                    run["crashes"],
                    f"{number(run['inline_p50_ms'], 1)}/{number(run['inline_p95_ms'], 1)}",
                ]
                for name, run in runs.items()
            ],
        ),
    ]
    for setting in sorted({each for run in runs.values() for each in run["accuracy"]}):
        chosen = {name: run["accuracy"][setting] for name, run in runs.items()}
        parts.append(f"\nSetting {setting}: top-1 / top-5 / MRR@10 / anywhere in the list, percent\n")
        rows = []
        for title, field in ACCURACY:
            groups = [accuracy[field] for accuracy in chosen.values()]
            if groups[0]["n"]:
                rows.append(
                    [
                        f"{title} (n={groups[0]['n']})",
                        *(" / ".join(percent(group[metric]) for metric in scoring.RANKING) for group in groups),
                    ]
                )
        for title, field in (
            ("characters saved, identifiers", "saved_identifiers"),
            ("characters saved, all tokens", "saved_all_tokens"),
            ("next token in the top five or first in the ghost text", "offered"),
            ("empty lists", "empty_lists"),
        ):
            rows.append([title, *(percent(accuracy[field]) for accuracy in chosen.values())])
        rows.append(["items, median", *(number(accuracy["items_median"]) for accuracy in chosen.values())])
        for title, field in (
            ("line: offered", "offered"),
            ("line: first token right", "first_token"),
            ("line: exact", "exact"),
            ("line: similarity, all", "similarity"),
            ("line: similarity, when offered", "similarity_when_offered"),
        ):
            rows.append([title, *(percent(accuracy["line"][field]) for accuracy in chosen.values())])
        parts.append(table(["", *chosen], rows))
    return "\n".join(parts)


if __name__ == "__main__":
    print(tables([json.load(open(path, encoding="utf-8")) for path in sys.argv[1:]]))
