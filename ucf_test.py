"""Test weights on UCF-Crime: AUC, AP and mAP@IoU, printed and written to results.json.

    python ucf_test.py --model-path model/model_ucf.pth

Reads released weights, ours, and training checkpoints. The options are in ucf_option.py.
"""

from ucf_option import parser
from utils import parallel
from utils.errors import command
from utils.labels import UCF_CRIME
from utils.testing import run_test


@command
def main(argv=None):
    parallel.start()
    run_test(parser.parse_args(argv), UCF_CRIME)


if __name__ == "__main__":
    main()
