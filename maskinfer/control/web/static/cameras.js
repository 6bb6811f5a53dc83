// Pausing a camera.
"use strict";

for (const button of document.querySelectorAll("[data-pause]")) {
  button.addEventListener("click", async () => {
    const problem = document.getElementById("problem");
    button.disabled = true;
    try {
      const query = new URLSearchParams({camera: button.dataset.pause});
      await change(`/v1/cameras/pause?${query}`, {paused: button.dataset.paused !== "true"});
      location.reload();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      button.disabled = false;
    }
  });
}
