"""The options of xd_train.py and xd_test.py; the defaults are the papers' on XD-Violence."""

from utils.options import make_parser

parser = make_parser(
    "Options of training and testing DSANet on XD-Violence",
    "xd",
    classes_num=7,
    visual_layers=1,
    attn_window=64,
    text_adapt_until=1,
    t_w=0.6,
    temp=1.0,
    batch_size=96,
    lr=1e-5,
    loss2_weight=5.0,
    eval_every=0,
    train_list="list/xd_CLIP_rgb.csv",
    test_list="list/xd_CLIP_rgbtest.csv",
    gt_path="list/gt.npy",
    gt_segment_path="list/gt_segment.npy",
    gt_label_path="list/gt_label.npy",
    select_by="ap1",
    scheduler_milestones=[3, 6, 10],
    tsa_kappa=0.9,
    of_methods={
        "vadclip": {"lr": 1e-5, "separation_weight": 1e-4, "select_by": "ap2"},
        "rtfm": {"select_by": "pr_auc"},
        "clip-tsa": {"select_by": "pr_auc"},
    },
)
