"""Names for groups of mediapipe's 478 face landmarks. Right and left are the subject's own.

Index lists follow mediapipe's published contour connections (face_mesh_connections.py, Apache-2.0); every list of lips and
lids runs from the corner at the picture's left to the one at its right.
"""

LIPS_INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIPS_INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIPS_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIPS_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
EYE_UPPER = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
"""Upper lid margin of the right and of the left eye."""
EYE_LOWER = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
"""Lower lid margin of the right and of the left eye."""
IRIS = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
"""Iris of the right and of the left eye: centre, then the rim's points at the picture's right, top, left and bottom."""
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The face's outline; on a turned head mediapipe lets these slide along the silhouette."""
STEADY = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4)
"""Eye corners and the ridge of the nose: no expression moves them much."""
MOUTH_CORNERS = (61, 291)
