import { type EchoQuestion, transports } from "./transport-echo.ts";

/** A listener that sends everything back, all of a turn together; a process of its own, told by its parent what to be. */
process.on("message", ({ scheme, tls }: EchoQuestion) => {
  const listening = transports[scheme].listen(
    {
      host: "127.0.0.1",
      port: 0,
      tls,
      clientCertificate: "require",
      maxMessageBytes: 1 << 20,
      handshakeTimeoutMs: 10_000,
      maxConnections: 10,
    },
    {
      admit: () => ({
        dialect: "native",
        accept(connection) {
          let turn: Uint8Array[] = [];
          connection.start({
            data(chunk) {
              if (turn.length === 0)
                setImmediate(() => {
                  const all = turn;
                  turn = [];
                  connection.send(all);
                });
              turn.push(Uint8Array.from(chunk));
            },
            drained: () => undefined,
            closed: () => undefined,
          });
        },
      }),
      refused: (error) => process.stderr.write(`${error}\n`),
    },
  );
  void listening.then(({ port }) => process.send?.({ port }));
});
process.on("disconnect", () => process.exit(0));
