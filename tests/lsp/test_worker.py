"""What loads models and completes, without an editor."""

import models

from codelm.completer import Completer
from codelm.lsp.worker import Worker


async def test_a_model_that_was_loaded_as_the_server_ended_opens_no_network():
    worker = Worker(lambda _: Completer(models.checkpoint()))
    await worker.load("")
    worker.stop()
    assert await worker.open_network("cpu") == ""
