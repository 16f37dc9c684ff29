"""Training of neural networks: streams of a corpus → batches → gradients → states → an exported checkpoint.

::

    words.py       the words of a corpus as a network reads and predicts them
    lanes.py       batches of packed streams, whose states are carried over
    buckets.py     batches of whole sequences, by a budget of tokens
    softmax.py     the loss: all words, or a sample of them
    schedule.py    the learning rate
    state.py       what a training resumes from
    metrics.py     curves: a CSV and TensorBoard
    ranks.py       several processes
    validate.py    how good the network is by now
    device.py      where it runs, and in which numbers
    stopping.py    Ctrl-C and SIGTERM
    fit.py         the loop
    graphs.py      the network as ONNX graphs
    export.py      graphs, tables and weights as a checkpoint
    settings.py    what can be set
    train.py       from a corpus to a checkpoint
"""
