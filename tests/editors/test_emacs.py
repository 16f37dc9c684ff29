"""The set-up for Emacs, in a real one without a screen, by eglot, with the real server and the bundled model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODELM_EL = Path(__file__).parents[2] / "editor-config" / "emacs"
PATIENCE = 120

TEST = """
(setq eglot-connect-timeout 60 eglot-sync-connect 60 create-lockfiles nil make-backup-files nil
      codelm-command '("{python}" "-m" "codelm.cli" "--stdio") codelm-settings '{settings})
(require 'codelm)
(find-file "{file}")
(python-mode)
(call-interactively #'eglot)
(defun candidates ()
  "What is offered at point, by the text that it would leave."
  (let* ((found (run-hook-wrapped 'completion-at-point-functions
                                  (lambda (f) (and (not (eq f t)) (let ((r (funcall f))) (and (consp r) r))))))
         (table (nth 2 found)))
    (all-completions (buffer-substring (nth 0 found) (nth 1 found)) table)))
(defun candidates-until (wanted)
  (let ((tries 0) found)
    (while (not (member wanted (setq found (mapcar #'substring-no-properties (candidates)))))
      (when (> (setq tries (1+ tries)) 100) (error "no %s among %S" wanted found))
      (sleep-for 0.2))
    found))
{body}
(set-buffer-modified-p nil)
(eglot-shutdown-all)
(kill-emacs 0)
"""


@pytest.fixture
def emacs(tmp_path):
    """Run Emacs Lisp in a Python file with eglot connected; return what it printed."""
    program = shutil.which("emacs")
    if program is None:
        pytest.skip("needs Emacs: python tests/editors/install_emacs.py")
    missing = subprocess.run([program, "--batch", "--eval", "(require 'eglot)"], capture_output=True, timeout=PATIENCE)
    if missing.returncode:
        pytest.skip("needs eglot: apt-get install elpa-eglot, or Emacs 29")

    def run(text: str, body: str, settings: str = "nil") -> list[str]:
        file = tmp_path / "project" / "größe.py"
        file.parent.mkdir()
        (file.parent / ".git").mkdir()  # what makes a folder a project to Emacs
        file.write_text(text, encoding="utf-8")
        script = tmp_path / "test.el"
        script.write_text(TEST.format(python=sys.executable, file=file, body=body, settings=settings), encoding="utf-8")
        home = tmp_path / "home"
        home.mkdir()
        done = subprocess.run(
            [program, "--batch", "-L", CODELM_EL, "-l", script],
            capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE, cwd=file.parent,
            env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.splitlines()

    return run


def test_names_are_completed(emacs):
    body = """
    (goto-char (point-max))
    (insert "folder = os.path.")
    (princ (format "%S\n" (member "join" (candidates-until "join"))))
    (insert "jo")
    (candidates-until "join")
    (completion-at-point)
    (princ (format "%s\n" (buffer-substring (line-beginning-position) (point))))
    """
    listed, line = emacs("import os\n\n", body)
    assert '"join"' in listed
    assert line == "folder = os.path.join"


def test_positions_are_right_behind_any_characters(emacs):
    body = """
    (goto-char (point-max))
    (insert "s = \\"é😀𝒳\\"; größe𝒳 = os.path.jo")
    (candidates-until "join")
    (completion-at-point)
    (princ (format "%s\n" (buffer-substring (line-beginning-position) (point))))
    """
    (line,) = emacs("import os\n# 𝒳\n", body)
    assert line == 's = "é😀𝒳"; größe𝒳 = os.path.join'


def test_settings_and_commands_reach_the_server(emacs):
    body = """
    (goto-char (point-max))
    (insert "os.path.")
    (princ (format "%d\n" (length (candidates-until "join"))))
    (let ((status (codelm--execute "codelm.status")))
      (princ (format "%s\n" (plist-get (plist-get status :model) :state))))
    (codelm-status)
    """
    count, state = emacs("import os\n", body, settings="(:completion (:maxItems 3))")
    assert count == "3"
    assert state == "ready"
