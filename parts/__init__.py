"""What `utils.py` hands on, one room a subject, in floors.

A room imports only from rooms on floors below its own:

5  (utils.py: the trainer)
4  sources own_data prediction workers memory report controls
3  devices batches metric pictures plots precision checkpoints labelme
2  canvas
1  images nets stored timing
0  start whole texts

A room that imports MXNet imports `parts.start` before. A name without an
underscore is for other rooms. tests/test_rooms.py checks all of this.
"""
