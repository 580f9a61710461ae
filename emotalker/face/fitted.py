"""The rig fitted to one face, in the pixels of its picture."""

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from .contact import Edge

VIEWING_DISTANCE = 10.0
"""From where the viewer sees the head, in distances between the eyes (6.3 cm): about 60 cm, as in conversation."""


@dataclass(frozen=True, eq=False)
class FittedRig:
    """A face's rest shape and what moves it, in pixels of the picture: x right, y down, z smaller = nearer (weak perspective).

    Attributes:
        rest: [V,3] the face as it is in the picture, its own expression and pose included.
        units: [52,V,3] displacement at weight 1, fitted to this face: eyeBlink closes its eyes, mouthClose its
            lips under jawOpen.
        expression: [52] weights that the face already has in the picture.
        head_weight: [V] share in a turn of the head, 0 at the collar.
        pivot: [3] point about which the head turns.
        axes: [3,3] unit vectors in the picture of the head's own axes: to its left, up, forward.
        pose: yaw, pitch, roll in degrees; positive: turned to the picture's right, chin up, tilted to the picture's right.
        scale: pixels per rig unit (the distance between the eyeball centres, seen from the front).
        identity: [K] shape coefficients in standard deviations.
        landmark_vertices, landmark_weights: [478,3] where the landmarks lie.
        edges: lips, right lids and left lids, which never pass through each other.
    """

    rest: Tensor
    units: Tensor
    expression: Tensor
    head_weight: Tensor
    pivot: Tensor
    axes: Tensor
    pose: tuple[float, float, float]
    scale: float
    identity: Tensor
    landmark_vertices: Tensor
    landmark_weights: Tensor
    edges: tuple[Edge, ...]

    def to(self, device: str | torch.device) -> "FittedRig":
        """The same fit on another device."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **moved, edges=tuple(edge.to(device) for edge in self.edges))

    def deform(self, weights: Tensor, head: Tensor | None = None) -> Tensor:
        """Vertices of T frames.

        Args:
            weights: [T,52] changes of the face units from the picture's own expression; 0 is the picture.
            head: [T,6] yaw, pitch, roll in degrees, then a shift x, y, z in distances between the eyes (right, down, away);
                changes from the picture's own pose. None for none.

        Returns:
            [T,V,3] pixels.
        """
        count = len(weights)
        weights = weights.to(self.units)
        moved = (weights @ self.units.flatten(1)).view(count, *self.rest.shape)
        vertices = moved.add_(self.rest)
        for edge in self.edges:
            edge.part(vertices, -self.axes[1])
        # Undoing overlaps rounds: a frame without change is the picture to the last bit.
        vertices[weights.abs().amax(1) == 0] = self.rest
        return vertices if head is None else self.turn(vertices, self.head_weight, head)

    def turn(self, points: Tensor, share: Tensor, head: Tensor) -> Tensor:
        """Points under the head's pose.

        Args:
            points: [K,3] or [T,K,3] pixels.
            share: [K] 0..1, how far each takes part.
            head: [T,6] as for `deform`.

        Returns:
            [T,K,3] pixels.
        """
        head = head.to(self.rest)
        # Leaning forward or back is seen as a change of size.
        size = 1 / (1 + head[:, 5] / VIEWING_DISTANCE).clamp(min=0.5)
        turn = size[:, None, None] * self.head_turns(head) - torch.eye(3).to(self.rest)
        shift = head[:, None, 3:] * self.scale - (self.pivot @ turn.transpose(1, 2))[:, None]
        change = torch.baddbmm(shift, points.expand(len(head), -1, -1), turn.transpose(1, 2))
        return torch.addcmul(points, change, share[:, None])

    def head_turns(self, head: Tensor) -> Tensor:
        """Rotation matrices [T,3,3] in picture space of head poses [T,6] (or [T,3], degrees), about the head's own axes.

        The head is tilted first, then nods, then turns.
        """
        yaw, pitch, roll = torch.deg2rad(head[:, :3]).unbind(1)
        left, up, forward = self.axes

        def about(axis: Tensor, angle: Tensor) -> Tensor:
            x, y, z = axis.tolist()
            cross = self.axes.new_tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            identity = torch.eye(3).to(cross)
            sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
            return identity + sine * cross + (1 - cosine) * (cross @ cross)

        # Left, up and forward are a right-handed triple, so a positive turn about "up" takes forward to the head's left,
        # one about "left" takes up to forward (chin down) and one about "forward" takes left to up (tilt to the right).
        return about(up, yaw) @ about(left, -pitch) @ about(forward, -roll)

    def landmarks(self, vertices: Tensor) -> Tensor:
        """The 478 landmarks [...,478,3] in pixels of vertices [...,V,3]."""
        return (vertices[..., self.landmark_vertices, :] * self.landmark_weights[..., None]).sum(-2)


def pose_angles(rotation: Tensor) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees of a rotation [3,3] of the rig (x left, y up, z forward).

    The tilt comes last, in the picture's plane, so that turning a picture changes roll alone.
    """
    yaw = math.asin(max(-1.0, min(1.0, -float(rotation[2, 0]))))
    pitch = -math.atan2(float(rotation[2, 1]), float(rotation[2, 2]))
    roll = -math.atan2(float(rotation[1, 0]), float(rotation[0, 0]))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)
