"""Train the checkpoints of data/checkpoints/ from nothing.

    python -m training              # all of them
    python -m training gpt_reviews  # one

Stop it whenever you like (Ctrl-C): what was trained is kept every minute, and
the same command goes on from there.
"""

import argparse
import sys

from training import study_of_labels, study_of_lstm
from training.run import TRAININGS, note_first_losses, precision, train

KNOWN = [*TRAININGS, "fine_tuned",  # which is made from the one before
         "lstm_parts"]
STUDIES = {"fine_tuned": lambda: study_of_labels.main(precision()),
           "lstm_parts": study_of_lstm.main}


def main():
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"of {', '.join(KNOWN)}; all if none is given")
    parser.add_argument("--first-steps", action="store_true",
                        help="train the first steps only, and note their "
                             "losses on this backend in the checkpoint")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(KNOWN)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; "
                     f"there is {', '.join(KNOWN)}")
    if arguments.first_steps and not STUDIES.keys().isdisjoint(
            arguments.names):
        parser.error(f"{', '.join(STUDIES)} have no first steps")
    known = TRAININGS if arguments.first_steps else KNOWN
    for name in arguments.names or known:
        try:
            if arguments.first_steps:
                print(name, *note_first_losses(name))
            elif name in STUDIES:
                STUDIES[name]()
            else:
                report(name, train(name))
        except KeyboardInterrupt:
            sys.exit(f"\nStopped. The same command goes on with {name}.")


def report(name, metadata):
    print(f"{name}: {metadata['steps']} steps, loss {metadata['loss']:.4f}, "
          f"{metadata['seconds'] / 60:.1f} min")


if __name__ == "__main__":
    main()
