"""codelm: private, offline code completion for Python, and the language models behind it."""

__version__ = "0.1.0"
