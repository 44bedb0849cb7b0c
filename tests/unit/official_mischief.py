"""Steps that do to their process what a step may do, for `test_official_worker`."""

import logging
import os
import signal
import time

from jwst.stpipe import Step

log = logging.getLogger("mischief")


class Mischief(Step):
    """Does what it is told."""

    class_alias = "mischief"
    spec = """
        how = string(default='nothing')
    """

    def process(self, model):
        log.info("about to do %s", self.how)
        log.info("")
        match self.how:
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":
                os._exit(3)
            case "exit":
                raise SystemExit("no CRDS server")
            case "memory":
                raise MemoryError("8 GB are not there")
            case "error":
                raise ValueError("no good\nand more")
            case "hang":
                time.sleep(600)
            case "reference":
                self.get_reference_file(model, "distortion")
        return model
