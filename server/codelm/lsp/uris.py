"""From an editor's names of files to paths."""

from functools import lru_cache

from pygls.uris import to_fs_path


@lru_cache(maxsize=1024)
def path_of(uri: str) -> str:
    """Return the ``path_key`` of a file, "" where the URI names none: text that was never saved, or is elsewhere."""
    # Here: it brings the rules of ignore files along, and an editor waits for `initialize`.
    from codelm.workspace_files import path_key

    try:
        path = to_fs_path(uri)
    except ValueError:  # what is no URI at all
        return ""
    return path_key(path) if path and "\0" not in path else ""
