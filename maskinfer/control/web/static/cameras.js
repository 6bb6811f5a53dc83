// Pausing a camera, and letting its reference begin anew.
"use strict";

async function changeCamera(button, path, body) {
  const problem = document.getElementById("problem");
  button.disabled = true;
  try {
    await change(path, body);
    location.reload();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    button.disabled = false;
  }
}

for (const button of document.querySelectorAll("[data-pause]")) {
  button.addEventListener("click", () => {
    const query = new URLSearchParams({camera: button.dataset.pause});
    changeCamera(button, `/v1/cameras/pause?${query}`, {paused: button.dataset.paused !== "true"});
  });
}
for (const button of document.querySelectorAll("[data-renew]")) {
  button.addEventListener("click", () => {
    const query = new URLSearchParams({camera: button.dataset.renew});
    changeCamera(button, `/v1/cameras/reference?${query}`, {});
  });
}
