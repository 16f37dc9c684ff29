"""The ``codelm-lsp`` command line: what is wrong with it is told in one line, with exit status 2."""

import socket
import subprocess
import sys

import pytest

import codelm
from codelm.cli import main


def test_it_tells_its_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"codelm-lsp {codelm.__version__}\n"


def test_without_a_command_it_shows_its_help(capsys):
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "codelm-lsp --stdio" in shown.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--stdio", "--tcp", "0"], "not allowed with"),
        (["--tcp", "localhost"], "expected [HOST:]PORT"),
        (["--tcp", "70000"], "expected [HOST:]PORT"),
        (["--log-level", "loud", "--stdio"], "invalid choice: 'loud'"),
        (["complete"], "FILE:LINE:COLUMN"),
        (["complete", "a.py:1:1", "-k", "0"], "expected a number from 1 on"),
    ],
)
def test_a_wrong_command_line_names_what_is_wrong(capsys, arguments, complaint):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]


def test_a_port_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "codelm.cli", "--tcp", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line.startswith(f"codelm-lsp: cannot listen on 127.0.0.1:{port}: ")


def test_nothing_slow_is_imported_before_an_editor_is_answered():
    code = "import sys, codelm.lsp.transport; print({'numpy', 'torch', 'onnxruntime'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
