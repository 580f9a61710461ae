"""A prompt that a test changes before it runs."""


class Graph:
    """A prompt whose nodes are found by their class.

    Args:
        prompt: API form; a voice from LoadAudio is replaced by the short one, and a range to redo is moved into it.
    """

    def __init__(self, prompt: dict):
        self.prompt = prompt
        for node in prompt.values():
            if node["class_type"] == "LoadAudio":
                node["inputs"]["audio"] = "short.wav"
            if node["inputs"].get("redo_end"):
                node["inputs"].update(redo_start=0.4, redo_end=0.8)

    def id(self, kind: str) -> str:
        """Id of the only node of a class."""
        (found,) = (name for name, node in self.prompt.items() if node["class_type"] == kind)
        return found

    def inputs(self, kind: str) -> dict:
        """Inputs of the only node of a class, to be changed."""
        return self.prompt[self.id(kind)]["inputs"]

    def add(self, kind: str, **inputs) -> str:
        """Adds a node; inputs are values or [node id, output]. Its id."""
        name = str(100 + len(self.prompt))
        self.prompt[name] = {"class_type": kind, "inputs": inputs}
        return name

    def remove(self, kind: str) -> None:
        """Removes the only node of a class."""
        del self.prompt[self.id(kind)]
