"""From scores and ground truth to what is said of them."""
