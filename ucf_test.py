"""Test weights on UCF-Crime: AUC, AP and mAP@IoU, printed and written to results.json.

    python ucf_test.py --model-path model/model_ucf.pth

Reads released weights, ours, and training checkpoints. The options are in ucf_option.py.
"""

from ucf_option import parser

if __name__ == "__main__":
    parser.answer_help()  # before PyTorch is imported, which takes seconds

from utils.labels import UCF_CRIME, dataset_of
from utils.runs.testing import run_test
from utils.system.command import command
from utils.system.meeting import join_processes


@command
def main(argv=None):
    join_processes()
    args = parser.parse_args(argv)
    run_test(args, dataset_of(args, UCF_CRIME))


if __name__ == "__main__":
    main()
