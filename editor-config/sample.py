"""A file to try codelm on."""

import json
import os


class Notes:
    def __init__(self, path):
        self.path = path

    def load(self):
        with open(self.path, encoding="utf-8") as file:
            try:
                return json.load(file)
            except ValueError:
                return None

    def exists(self):
        return os.path.exists(self.path)

    def save(self, notes):
        with open(