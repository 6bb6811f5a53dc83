"""Annotations as other tools write them: YOLO, COCO, Pascal VOC, Label Studio, CVAT, FiftyOne, folders of classes."""
