"""What `utils.py` hands on, one room a subject, in floors.

A room imports only from rooms on floors below its own:

7  (utils.py: the trainer)
6  exports own_data prediction
5  coco yolo sources views workers memory report controls
4  devices batches metric pictures plots precision checkpoints labelme outlines
3  canvas class_files objects published scaling thumbnails
2  images legacy nets stored timing
1  start tables
0  numpys whole texts samples

A room that imports MXNet imports `parts.start` before. A name without an
underscore is for other rooms. tests/test_rooms.py checks all of this.
"""
