"""The options of ucf_train.py and ucf_test.py; the defaults are the papers' on UCF-Crime."""

from utils.options import make_parser

parser = make_parser(
    "Options of training and testing DSANet on UCF-Crime",
    "ucf",
    classes_num=14,
    visual_layers=2,
    attn_window=8,
    text_adapt_until=3,
    t_w=0.1,
    temp=5.0,
    batch_size=64,
    lr=7e-5,
    loss2_weight=1.1,
    eval_every=10,
    train_list="list/ucf_CLIP_rgb.csv",
    test_list="list/ucf_CLIP_rgbtest.csv",
    gt_path="list/gt_ucf.npy",
    gt_segment_path="list/gt_segment_ucf.npy",
    gt_label_path="list/gt_label_ucf.npy",
    select_by="auc1",
    scheduler_milestones=[4, 8],
    tsa_kappa=0.95,
    of_methods={"vadclip": {"lr": 2e-5, "separation_weight": 0.1}},
)
