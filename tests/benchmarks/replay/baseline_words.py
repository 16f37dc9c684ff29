"""A floor to beat, as a language server: the words of the buffer, latest first, then keywords.

It knows no more than Vim's Ctrl-N or an editor's word-based suggestions.
"""

import json
import keyword
import re
import sys

WORD = re.compile(r"[^\W\d]\w*")
documents = {}


def apply(text, change):
    if "range" not in change:
        return change["text"]
    lines = text.split("\n")
    start, end = change["range"]["start"], change["range"]["end"]
    head = "\n".join([*lines[: start["line"]], lines[start["line"]][: start["character"]]])
    tail = "\n".join([lines[end["line"]][end["character"] :], *lines[end["line"] + 1 :]])
    return head + change["text"] + tail


def complete(params):
    lines = documents[params["textDocument"]["uri"]].split("\n")
    row, column = params["position"]["line"], params["position"]["character"]
    before = "\n".join([*lines[:row], re.sub(r"\w*$", "", lines[row][:column])])
    after = "\n".join([lines[row][column:], *lines[row + 1 :]])
    words = dict.fromkeys([*reversed(WORD.findall(before)), *WORD.findall(after), *keyword.kwlist])
    return [{"label": word, "sortText": f"{place:06}"} for place, word in enumerate(words)]


def answer(method, params):
    if method == "initialize":
        return {
            "capabilities": {
                "positionEncoding": "utf-32",
                "textDocumentSync": 2,
                "completionProvider": {"triggerCharacters": ["."]},
            }
        }
    if method == "textDocument/completion":
        return complete(params)
    if method == "textDocument/didOpen":
        documents[params["textDocument"]["uri"]] = params["textDocument"]["text"]
    if method == "textDocument/didChange":
        uri = params["textDocument"]["uri"]
        for change in params["contentChanges"]:
            documents[uri] = apply(documents[uri], change)
    return None


def main():
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while header := stdin.readline():
        stdin.readline()
        message = json.loads(stdin.read(int(header.split(b":")[1])))
        if message.get("method") == "exit":
            return
        result = answer(message.get("method"), message.get("params"))
        if "id" in message:
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
            stdout.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            stdout.flush()


if __name__ == "__main__":
    main()
