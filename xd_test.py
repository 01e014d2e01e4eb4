"""Test weights on XD-Violence: AUC, AP and mAP@IoU, printed and written to results.json.

    python xd_test.py --model-path model/model_xd.pth

Reads released weights, ours, and training checkpoints. The options are in xd_option.py.
"""

from xd_option import parser

if __name__ == "__main__":
    parser.answer_help()  # before PyTorch is imported, which takes seconds

from utils.labels import XD_VIOLENCE, dataset_of
from utils.runs.testing import run_test
from utils.system.command import command
from utils.system.meeting import join_processes


@command
def main(argv=None):
    join_processes()
    args = parser.parse_args(argv)
    run_test(args, dataset_of(args, XD_VIOLENCE))


if __name__ == "__main__":
    main()
