"""The Language Server Protocol face of codelm: the only place that imports pygls and lsprotocol."""
