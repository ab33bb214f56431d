/** Messages of nodes that no target took. This hub's own. */
export const deadLettersTable = `
package io.cloud-edge-hub.v1

DeadLetter kind
  spec! DeadLetterSpec
  status DeadLetterStatus

DeadLetterSpec
  content any
  messageId! string
  node! string
  resource! string
  rule! string
  sentAt time
  source! string

DeadLetterStatus
  attempts int
  lastAttemptTime time
  lastError string
`;
