// Keeps the page fresh: what the server renders is put in place of what it rendered before.
"use strict";
(() => {
	const every = 2000;
	const status = document.getElementById("status");
	const freshness = document.getElementById("freshness");
	const pause = document.getElementById("pause");
	let timer = 0;
	let paused = false;

	const tell = (text, lost) => {
		freshness.textContent = text;
		freshness.classList.toggle("lost", lost);
	};
	const next = () => {
		clearTimeout(timer);
		if (!paused && !document.hidden) timer = setTimeout(update, every);
	};
	// Somebody who marks text, or scrolls a table by keyboard, keeps what they have until they let go of it.
	const busy = () => status.contains(document.activeElement) || !getSelection().isCollapsed;

	async function update() {
		try {
			if (!busy()) {
				const answer = await fetch("/-/status", { cache: "no-store", signal: AbortSignal.timeout(5000) });
				if (!answer.ok) throw new Error(answer.status);
				const html = await answer.text();
				if (!busy()) {
					status.innerHTML = html;
					tell("Updated " + new Date().toLocaleTimeString([], { hour12: false }), false);
					document.documentElement.dataset.live = "yes";
				}
			}
		} catch {
			tell("No answer from the proxy", true);
		}
		next();
	}

	pause.addEventListener("click", () => {
		paused = !paused;
		pause.textContent = paused ? "Resume updates" : "Pause updates";
		if (paused) {
			clearTimeout(timer);
			tell("Paused", false);
		} else {
			update();
		}
	});
	document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : paused || update()));
	pause.hidden = false;
	document.getElementById("reload").hidden = true;
	next();
})();
