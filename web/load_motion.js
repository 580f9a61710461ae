// Load Motion: a button that puts a motion file into ComfyUI's input folder and chooses it.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

async function upload(file) {
  const body = new FormData();
  body.append("image", file); // the server's name for any file
  const answer = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!answer.ok) throw new Error(`${file.name} could not be uploaded (${answer.status} ${answer.statusText}).`);
  const { name, subfolder } = await answer.json();
  return subfolder ? `${subfolder}/${name}` : name;
}

function choose(node, name) {
  const widget = node.widgets.find((widget) => widget.name === "file");
  const values = widget.options.values;
  if (Array.isArray(values) && !values.includes(name)) values.push(name);
  widget.value = name;
  widget.callback?.(name);
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "EmoTalker.LoadMotion",
  nodeCreated(node) {
    if (node.comfyClass !== "EmoTalkerLoadMotion") return;
    const picker = document.createElement("input");
    picker.type = "file";
    picker.accept = ".safetensors,.csv";
    picker.onchange = async () => {
      const [file] = picker.files;
      picker.value = ""; // the same file may be chosen again
      if (!file) return;
      try {
        choose(node, await upload(file));
      } catch (error) {
        app.extensionManager.toast.add({ severity: "error", summary: "Load Motion", detail: error.message });
      }
    };
    const button = node.addWidget("button", "choose file to upload", null, () => picker.click(), { serialize: false });
    button.serialize = false;
  },
});
