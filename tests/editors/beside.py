"""What it takes to see codelm beside another language server: the server, and a file that both have much to say of."""

from pathlib import Path

PYREFLY = Path(__file__).parents[2] / "build" / "others-env" / "bin" / "pyrefly"
PIPE = """class Pipe:
    def close_left(self): ...
    def close_right(self): ...
    def aaa_never_called(self): ...


def end(pipe: Pipe):
    pipe.close_left()
    pipe.close_right()


def end_all(pipe: Pipe):
    pipe.close_left()
"""
