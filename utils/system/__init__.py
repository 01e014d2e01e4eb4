"""What any program needs of its machine and its user; knows no video, no paper."""
