"""Where ghost text would be a nuisance, by what stands on the cursor's line. Pure functions."""

from codelm.settings import InlineSettings

_CLOSING = frozenset(")]}\"' \t\f")


def is_quiet(before: str, after: str, settings: InlineSettings | None) -> bool:
    """Whether nothing is to be suggested between what stands left and right of the cursor on its line.

    Without ``settings`` the user asked for it: then only the middle of a word is quiet, where a suggestion would have
    to end with the rest of it.
    """
    if after[:1] == "_" or after[:1].isalnum():
        return True
    if settings is None:
        return False
    if not settings.mid_line and not _CLOSING.issuperset(after):
        return True
    return not settings.new_line and not before.strip() and not after.strip()
