"""What dev.py and the tests run inside the environment: a real ComfyUI, a client for it, the demo."""
