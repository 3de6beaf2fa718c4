"""What tests/test_checkpoints.py runs on the backend that trained NAME.

    KERAS_BACKEND=torch python tests/first_steps_on_one_backend.py FOLDER NAME

It trains the first steps again and leaves them in FOLDER.
"""

import contextlib
import pathlib
import sys

from tools.checkpoints import FIRST_STEPS, train

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        train(sys.argv[2], pathlib.Path(sys.argv[1]), last_step=FIRST_STEPS)
