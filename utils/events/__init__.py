"""From scores of one video to what a person reads: events, pages."""
