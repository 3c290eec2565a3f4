// How the page asks its service: same origin, whatever prefix a proxy puts before it. The key lives in this object alone.

const ROOT = new URL("../", import.meta.url);
const MAX_WAIT_S = 5;

export class Service {
  #key = "";

  get url() {
    return ROOT.href.replace(/\/$/, "");
  }

  get hasKey() {
    return this.#key !== "";
  }

  useKey(key) {
    this.#key = key.trim();
  }

  /** GET, again while the service says that it is not ready. */
  async about(path) {
    for (;;) {
      const answer = await this.#ask(path, { headers: this.#headers() });
      if (answer.status !== 503) return answer;
      await seconds(Math.min(answer.retryAfter ?? 1, MAX_WAIT_S));
    }
  }

  /** POST: what it answered, an error too, and how long that took from here. */
  async post(path, body, { anew = false, signal } = {}) {
    const headers = { ...this.#headers(), "content-type": "application/json" };
    if (anew) headers["cache-control"] = "no-cache";
    return this.#ask(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  }

  #headers() {
    return this.#key ? { authorization: `Bearer ${this.#key}` } : {};
  }

  async #ask(path, options) {
    const began = performance.now();
    try {
      const response = await fetch(new URL(path, ROOT), { credentials: "omit", ...options });
      const body = await response.json().catch(() => null);
      const retryAfter = response.headers.get("retry-after");
      return {
        ok: response.ok && body !== null,
        status: response.status,
        body,
        ms: performance.now() - began,
        retryAfter: retryAfter === null ? null : Number(retryAfter),
      };
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return { ok: false, status: 0, body: null, ms: performance.now() - began, retryAfter: null };
    }
  }
}

const seconds = (count) => new Promise((resolve) => setTimeout(resolve, count * 1000));
