"""Learns a workspace: owns its index, the index on the disk, that of what it can import, and what a network made of it.

All of it is done on one thread, in steps of a file each, so that nothing that is asked in between waits for long.
"""

import math
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, replace
from pathlib import Path

from codelm.environment import find_environment
from codelm.errors import Cancelled, StorageError, UsageError
from codelm.importable import Importable
from codelm.imports import imported
from codelm.learned import ordered
from codelm.lsp.completing import Completing
from codelm.lsp.gate import Gate
from codelm.lsp.learning import Surroundings, Wanted
from codelm.lsp.log import LOG
from codelm.lsp.memory import give_back
from codelm.lsp.prose_reading import ProseReading
from codelm.lsp.recalling import Recalling
from codelm.lsp.status import FORGOTTEN, OFF, READING, READY
from codelm.lsp.uris import path_of
from codelm.workspace import Update, WorkspaceIndex, without
from codelm.workspace_files import SUFFIXES, Found, Note, nearest_first, source_file, source_files
from codelm.workspace_store import Forgotten, WorkspaceStore

SETTLED = 1.5
"""Seconds without a further change after which changed files are read."""
LATEST = 10.0
"""Seconds after which they are read although others change still."""
MANY = 100
"""Changed files from which on all are listed again: another branch is checked out."""
BEFORE_LISTING = 0.2
"""Seconds for an editor to tell which files are open, before it is decided what is read first."""
FIRST_RESULT = 1.0
"""Seconds of reading after which what is there so far is used."""
SHARE = 0.25
"""Of the time, for making ready what was read: all of it is sorted anew each time."""
LISTING_SHARE = 0.01
"""Of the time, for looking whether files changed that nobody told of."""
SAVE_LATER, SAVE_MEANWHILE = 30.0, 20.0
"""Seconds from a small change to its being saved, and between two savings while many files are read."""
READ_AHEAD = 40
"""Modules that are read before anybody asks for their names, in a second or two altogether."""
_SHOWN_AFTER, _SHOWN_EVERY = 0.5, 0.25


class Learner:
    """What the learning thread knows and does. Jobs are its methods; ``step`` is what is done when there are none."""

    def __init__(self, gate: Gate, surroundings: Surroundings, is_stopping: Callable[[], bool]) -> None:
        self._gate, self._surroundings, self._is_stopping = gate, surroundings, is_stopping
        self._wanted = Wanted()
        self._roots: tuple[Path, ...] = ()
        self._completer: Completing | None = None
        self._open_files: tuple[str, ...] = ()
        self._store: WorkspaceStore | None = None
        self._index = WorkspaceIndex()
        self._published = self._saved = self._index
        self._importable: Importable | None = None
        self._has_read_ahead = False
        self._recalling = Recalling()
        self._prose = ProseReading()
        self._forgotten_here: set[str] = set()  # also what could not be noted on the disk
        self._warned = self._was_opened = False
        self._work: Iterator[None] | None = None
        self._update: Update | None = None
        self._is_cancelled = False  # by the user, for this session
        self._is_forgotten = False  # the workspace, in this session: also where no mark could be left on the disk
        self._changed: set[str] = set()
        self._changed_since = self._change_at = self._list_at = self._save_at = math.inf
        self._publish_at = self._may_list_at = -math.inf
        self._keep_importable_at = math.inf

    # --- jobs ---------------------------------------------------------------------------------------------

    def open(self, wanted: Wanted) -> None:
        """Learn another workspace, or the same in another way."""
        before, self._wanted = self._wanted, wanted
        if self._was_opened and (before.folders, before.enabled) == (wanted.folders, wanted.enabled):
            if before.interpreter != wanted.interpreter:
                self._find_importable()
            if before.neural != wanted.neural:
                self.recall()
            return
        if wanted.folders != before.folders:
            self._roots = tuple(Path(path) for path in map(path_of, wanted.folders) if path)
            self._store = WorkspaceStore(self._roots) if self._roots else None
            self._saved = WorkspaceIndex()
            self._recalling, self._prose = Recalling(), ProseReading()
            self._is_forgotten = False
        self._open()

    def _open(self) -> None:
        self._was_opened = True
        self._end_work()
        self._is_cancelled = False
        self._changed.clear()
        self._list_at = self._save_at = math.inf
        self._work = self._opening()

    def use(self, completer: Completing) -> None:
        """Give what is learned to another completer."""
        self._completer = completer
        completer.importable = self._importable
        self._recalling.look_again()
        self._prose.look_again()
        self._publish()

    def recall(self) -> None:
        """See whether the network has anything to read: it was opened, or the user wants something else."""
        self._recalling.look_again()
        if not self._wanted.neural:
            self._publish()

    def set_open_files(self, uris: Sequence[str]) -> None:
        """Read first what is near these files."""
        self._open_files = tuple(filter(None, map(path_of, uris)))
        if self._update is not None:
            self._update.pending[:] = nearest_first(self._update.pending, self._open_files)

    def changed(self, uris: Iterable[str]) -> None:
        """Follow changed files, when they settle; folders and ignore files may change anything."""
        if not self._learns:
            return
        now = time.monotonic()
        if not self._changed:
            self._changed_since = now
        for path in filter(None, map(path_of, uris)):
            if path.endswith(SUFFIXES):
                self._changed.add(path)
            else:
                self._list_at = now + SETTLED
        if len(self._changed) > MANY:
            self._list_at = now + SETTLED
        if self._changed:
            self._change_at = min(now + SETTLED, self._changed_since + LATEST)

    def is_owed(self) -> bool:
        """Return whether a completion may have left something to ``completed``. Any thread may ask."""
        importable = self._importable
        return importable is not None and (importable.has_pending or self._keep_importable_at == math.inf)

    def completed(self) -> None:
        """See to what the completer left to be read; ``due`` finds it."""
        if self._importable is not None and self._keep_importable_at == math.inf:
            self._keep_importable_at = time.monotonic() + SAVE_LATER

    def list_again(self) -> None:
        """Look for files that changed without anybody telling."""
        self.completed()
        if self._learns:
            self._list_at = min(self._list_at, max(time.monotonic(), self._may_list_at))

    def cancel(self) -> None:
        """Read no more files in this session, but those that change; keep what is learned."""
        if self._update is not None:
            self._index = self._update.index()
            self._end_work()
            self._is_cancelled = True
            self._save_at = time.monotonic()

    def give_up(self) -> None:
        """End what is at work: it fails."""
        self._end_work()
        self._recalling.give_up()
        self._prose.give_up()

    # --- forgetting ---------------------------------------------------------------------------------------

    def forget_file(self, uri: str) -> None:
        """Forget a file for good. Raises UsageError and StorageError; for this session it is forgotten even then."""
        path = path_of(uri)
        if not path:
            raise UsageError("only a file can be forgotten: give its URI, which begins with file://")
        self._forgotten_here.add(path)
        try:
            if self._store is not None:
                self._store.forget(path)
        finally:
            self._changed.discard(path)
            self._go_on_with(without(self._so_far(), [path]))

    def forget_workspace(self) -> None:
        """Forget the workspace for good. Raises UsageError and StorageError."""
        if self._store is None:
            raise UsageError("there is no workspace to forget: no folder is open")
        try:
            self._store.forget_workspace()
        finally:
            self._let_go()

    def forget_all(self) -> None:
        """Forget all workspaces; this one, which would be learned at once again, for good. Raises StorageError."""
        try:
            (self._store or WorkspaceStore(())).forget_all()
            if self._store is not None:
                self._store.forget_workspace()
        finally:
            self._let_go()

    def learn_again(self, uri: str = "") -> None:
        """Learn a file, or with "" the workspace and all its files, that were forgotten.

        Raises UsageError and StorageError.
        """
        path = path_of(uri) if uri else ""
        if self._store is None:
            raise UsageError("there is no workspace to learn: no folder is open")
        if uri and not path:
            raise UsageError("only a file can be learned: give its URI, which begins with file://")
        self._store.learn_again(path or None)
        self._forgotten_here = self._forgotten_here - {path} if path else set()
        self._is_forgotten = False
        self._open()

    def _let_go(self) -> None:
        """Keep nothing of the workspace in this session, nor learn it again."""
        self._is_forgotten = True
        self._changed.clear()
        self._go_on_with(WorkspaceIndex())

    def _go_on_with(self, index: WorkspaceIndex) -> None:
        """Learn on from an index that holds less: what is at work, and the session's words, may hold what left it."""
        if self._work is not None:
            self._list_at = time.monotonic()
        if not self._learns:
            self._list_at = math.inf
        self._end_work()
        self._index = index
        # The store has seen to what was on the disk; there may be more by now.
        self._save_at = time.monotonic() + SAVE_LATER
        self._tell()
        self._recalling.forget(index)
        self._prose.forget(index)
        self._forget_session()
        self._find_importable()
        self._publish()

    @property
    def _learns(self) -> bool:
        """Whether the workspace is learned from, as far as this session knows."""
        return self._store is not None and self._wanted.enabled and not self._is_forgotten

    def _so_far(self) -> WorkspaceIndex:
        return self._update.index() if self._update is not None else self._index

    def _forget_session(self) -> None:
        self._prose.look_again()
        answer = self._surroundings.forget_session()
        while not self._is_stopping():
            try:
                return answer.result(timeout=0.1)
            except NotYet:
                pass  # the model is being loaded, perhaps
        raise Cancelled

    # --- what is due --------------------------------------------------------------------------------------

    def due(self) -> float:
        """Return when there is something to do next, by ``time.monotonic()``; infinite: when a job comes."""
        has_pending = self._importable is not None and self._importable.has_pending
        if self._work is not None or has_pending or self._reads_prose or self._recalls:
            return -math.inf
        return min(self._list_at, self._changes_due(), self._publishing_due(), self._save_at, self._keep_importable_at)

    def step(self) -> None:
        """Do one thing that is due."""
        self._gate.wait()
        now = time.monotonic()
        if self._work is None:
            if self._list_at <= now:
                self._work = self._listing()
            elif self._changes_due() <= now:
                self._work = self._following()
        if self._work is not None:
            try:
                next(self._work)
            except StopIteration:
                self._work = None
        elif self._publishing_due() <= now:
            self._publish()
        elif self._importable is not None and self._importable.has_pending:
            self._read_importable(self._importable)
        elif self._save_at <= now:
            self._save()
        elif self._keep_importable_at <= now:
            self._keep_importable()
        elif self._reads_prose and self._completer is not None:
            self._prose.step(self._completer, self._index, self._pause)
        elif self._recalls and self._recall():
            self._publish()

    @property
    def _reads_prose(self) -> bool:
        """Whether there is prose to read, when nothing else is due."""
        return self._completer is not None and self._completer.has_prose and self._prose.is_due(self._index)

    @property
    def _recalls(self) -> bool:
        """Whether there is anything for the network to read, when nothing else is due."""
        wanted = self._learns and self._wanted.neural and self._completer is not None
        return wanted and self._recalling.is_due(self._index)

    def _recall(self) -> bool:
        """Have the network read a little; return whether completions are to use what it has read by now."""
        return self._store is not None and self._recalling.step(self._completer, self._index, self._store)

    def _changes_due(self) -> float:
        return max(self._change_at, self._publish_at) if self._changed else math.inf

    def _publishing_due(self) -> float:
        if self._completer is None or self._published is self._index:
            return math.inf
        return self._publish_at

    def _end_work(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.close()  # type: ignore[attr-defined]  # a generator

    # --- work ---------------------------------------------------------------------------------------------

    def _opening(self) -> Iterator[None]:
        """Take the workspace from the disk, and see what changed since."""
        learned_before = len(self._index) > 0
        index = None
        if self._learns and self._store is not None:
            index, reason = self._store.load()
            if reason:
                LOG.warning("%s", reason)
            if index is None and learned_before and (forgotten := self._forgotten()) is not None:
                # The folders changed: what they have in common with those before need not be read again.
                index = without(self._index, [path for path in self._index.files if path in forgotten])
            elif index is not None:
                self._saved = index
        self._index = index if index is not None else WorkspaceIndex()
        if learned_before and not self._index.files:
            self._forget_session()
        self._publish()
        self._tell()
        yield
        self._find_importable()
        if self._learns:
            self._list_at = time.monotonic() + BEFORE_LISTING

    def _listing(self) -> Iterator[None]:
        """List the files and read what changed."""
        self._list_at = math.inf
        forgotten = self._forgotten()
        if self._is_cancelled or forgotten is None or forgotten.workspace:
            return
        if self._importable is not None:  # another process may have forgotten a file
            self._importable.set_forgotten(self._without_names(forgotten))
        self._changed.clear()
        began = time.monotonic()
        listing = source_files(
            self._roots,
            self._open_files,
            forgotten=_Both(forgotten, self._forgotten_here),
            is_cancelled=self._is_cancelling,
        )
        now = time.monotonic()
        self._may_list_at = now + (now - began) / LISTING_SHARE
        self._log(listing.notes)
        yield
        if not self._index.is_current(listing.files):
            if self._importable is not None:
                self._importable.look_again()
            yield from self._reading(listing.files)
        else:
            give_back()  # megabytes that listing and the first completions left, which no publishing gives back
        if len(self._index) and self._importable is not None and not self._has_read_ahead:
            yield
            self._read_ahead(self._importable)
        if self._index is not self._saved:
            self._save_at = time.monotonic() + (SAVE_LATER if self._index.has_words_of(self._saved) else 0)

    def _following(self) -> Iterator[None]:
        """Read the files that changed."""
        changed, self._changed = self._changed, set()
        forgotten = self._forgotten()
        if forgotten is None or forgotten.workspace:
            return
        files = {path: Found(path, file.size, file.mtime_ns) for path, file in self._index.files.items()}
        for path in changed:
            found = self._found(path)
            if found is None or path in forgotten or path in self._forgotten_here:
                files.pop(path, None)
            else:
                files[path] = found
            if self._importable is not None:
                self._importable.look_again(Path(path))
        yield
        if not self._index.is_current(files.values()):
            yield from self._reading(list(files.values()))
            self._save_at = min(self._save_at, time.monotonic() + SAVE_LATER)

    def _found(self, path: str) -> Found | None:
        try:
            return source_file(path, self._roots)
        except OSError as error:
            LOG.info("%s: %s", path, error.strerror)
            return None

    def _reading(self, files: Sequence[Found]) -> Iterator[None]:
        """Bring the index to what ``files`` are."""
        before = self._index
        update = self._update = Update(before, files, self._pause)
        began = shown = saved = time.monotonic()
        self._publish_at = max(self._publish_at, began + FIRST_RESULT)
        try:
            for step in update.steps():
                now = time.monotonic()
                if step.note is not None:
                    self._log([step.note])
                if now - began > _SHOWN_AFTER and now - shown > _SHOWN_EVERY:
                    self._surroundings.progress(step.done, step.total)
                    self._tell(step.done, step.total)
                    shown = now
                if now > self._publish_at and update.pending:
                    self._index = update.index()
                    self._publish()
                    if now - saved > SAVE_MEANWHILE:
                        self._save()
                        saved = now
                yield
                self._gate.wait()
            self._index = update.index()
        finally:
            self._update = None
            self._surroundings.finished()
        self._tell()
        if before is self._published and self._index.has_words_of(before):  # files were touched, or written too lately
            self._index = self._published = replace(self._index, order=before.order)
            self._recalling.go_on(before, self._index)
            return
        self._publish()
        LOG.info("learned %d words of %d files", len(self._index), len(self._index.files))

    def _pause(self) -> None:
        if self._is_stopping():
            raise Cancelled
        self._gate.wait()

    def _is_cancelling(self) -> bool:
        self._gate.wait()
        return self._is_stopping()

    def _publish(self) -> None:
        """Let completions use what is learned."""
        if self._completer is None:
            return
        began = time.monotonic()
        self._published = self._index = ordered(self._index)  # the order is saved with it
        states = self._recalling.states if self._wanted.neural else None
        self._completer.workspace = self._completer.learned(self._index, states) if len(self._index) else None
        now = time.monotonic()
        self._publish_at = now + max(FIRST_RESULT, (now - began) / SHARE)
        give_back()

    # --- the disk -----------------------------------------------------------------------------------------

    def _save(self) -> None:
        self._save_at = math.inf
        if self._store is None or self._index is self._saved:
            return
        self._saved = self._index = ordered(self._index)  # what was published is ordered already
        try:
            if not self._store.save(self._index):
                LOG.info("the workspace is not kept: another codelm has forgotten everything meanwhile")
        except StorageError as error:
            self._warn_once(f"what codelm learns from this workspace is lost when the editor ends: {error}")
        give_back()  # of what was written, nine megabytes for a million words

    def _forgotten(self) -> Forgotten | None:
        """Return what was forgotten; None, and nothing is learned, when that cannot be read."""
        if self._store is None:
            return None
        try:
            return self._store.forgotten()
        except StorageError as error:
            self._warn_once(f"codelm does not learn from this workspace, for what it must forget is not known: {error}")
            return None

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            self._surroundings.warn(message)

    def _tell(self, done: int = 0, total: int = 0) -> None:
        """Tell how far the workspace is learned."""
        if self._update is not None:
            state = READING
        elif self._learns:
            forgotten = self._forgotten()
            state = FORGOTTEN if forgotten is None or forgotten.workspace else READY
        else:
            state = FORGOTTEN if self._is_forgotten else OFF
        self._surroundings.learned(state, len(self._index.files), len(self._index), done, total)

    def _log(self, notes: Iterable[Note]) -> None:
        roots = set(map(str, self._roots))
        for path, reason in notes:
            (LOG.warning if path in roots else LOG.debug)("%s: %s", path, reason)

    # --- importable names ---------------------------------------------------------------------------------

    def _find_importable(self) -> None:
        """Make the index of importable names: without the workspace's own modules where nothing is learned from it."""
        roots = self._roots
        forgotten = self._forgotten()
        learns = self._learns and forgotten is not None and not forgotten.workspace
        store = self._store.folder if learns and self._store is not None else None
        environment = find_environment(roots, self._wanted.interpreter)
        LOG.info("importable names: %s", environment.found)
        self._has_read_ahead = False
        self._importable = Importable(roots if learns else (), environment, store, self._without_names(forgotten))
        if self._completer is not None:
            self._completer.importable = self._importable

    def _without_names(self, forgotten: Forgotten | None) -> "_Both":
        """Return the files whose names are not told: not those of a forgotten workspace, for then all files would be
        among them, those of the environment too.
        """
        marked = Forgotten() if forgotten is None or forgotten.workspace else forgotten
        return _Both(marked, frozenset(self._forgotten_here))

    def _read_ahead(self, importable: Importable) -> None:
        """Have the modules read that the workspace imports most: who completes in it will ask for them."""
        self._has_read_ahead = True
        found = imported(self._index, lambda path: importable.module_name(Path(path)))
        importable.want(name for name, _ in found.most_common(READ_AHEAD))
        importable.modules.submodules("")  # all that stands behind "import": every folder is listed for it

    def _read_importable(self, importable: Importable) -> None:
        """Read one of the modules that completions wait for."""
        asked = False

        def once() -> bool:
            nonlocal asked
            asked, before = True, asked
            return before or self._is_stopping()

        importable.read_pending(once)
        for path, reason in importable.skipped().items():
            LOG.debug("%s: %s", path, reason)

    def _keep_importable(self) -> None:
        self._keep_importable_at = math.inf
        if self._importable is None or self._store is None:
            return
        try:
            written = None
            # What another process forgets while this one writes is taken out again.
            while self._learns and self._store.may_keep() and (forgotten := self._store.forgotten()) != written:
                self._importable.set_forgotten(self._without_names(forgotten))
                self._importable.save()
                written = forgotten
        except StorageError as error:
            LOG.warning("%s", error)


@dataclass(frozen=True, slots=True)
class _Both:
    """What was forgotten, by the marks on the disk or in this session. Asked with ``in``."""

    marked: Forgotten
    here: Container[str]

    def __contains__(self, path: object) -> bool:
        return path in self.here or path in self.marked
