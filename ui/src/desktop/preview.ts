import { openPreview } from "./open-preview";

const host = document.getElementById("window");
if (host !== null) openPreview(host);
