"""Neural language models: an LSTM or a causal CNN, trained with torch, run by ONNX Runtime or by torch.

::

    word → id, pieces → vector (E,) → core: LSTM or CNN → projected (P,) → head → log probability of each word
           pieces.py    table.py      lstm.py  cnn.py                     modules.py

``shape.py`` says how large each part is. ``network.py`` runs an exported network on the CPU; ``torch_network.py`` runs
the same checkpoint on a GPU; what they share is in ``model.py``, ``readings.py`` (which rows an id is read through) and
``outputs.py`` (from the head to the probabilities of all ids). ``word_vectors.py`` remembers what was looked up,
``prefix.py`` a network's states along a document that is edited. ``files.py`` opens what ``codelm_train`` has exported.
Only ``lstm.py``, ``cnn.py``, ``modules.py`` and ``torch_network.py`` import torch.
"""
