"""The items of a business."""
