"""Network parts that are not the paper's: CLIP, VadCLIP's layers, what goes in and comes out."""
