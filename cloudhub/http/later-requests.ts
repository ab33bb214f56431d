import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

/** Requests that come while what answers them is still being opened: they wait for it. */
export class LaterRequests {
  #answer: RequestListener | undefined;
  #waiting: (readonly [IncomingMessage, ServerResponse])[] = [];
  #closed = false;

  /** For the server. */
  readonly listener: RequestListener = (request, response) => {
    if (this.#answer !== undefined) this.#answer(request, response);
    else if (this.#closed) response.destroy();
    else this.#waiting.push([request, response]);
  };

  /** From now on requests are answered; those that have waited come first. */
  open(answer: RequestListener): void {
    this.#answer = answer;
    for (const [request, response] of this.#waiting.splice(0)) {
      if (!response.destroyed) answer(request, response);
    }
  }

  /** It was not opened in time: nobody is left waiting. */
  close(): void {
    this.#closed = true;
    for (const [, response] of this.#waiting.splice(0)) response.destroy();
  }
}
