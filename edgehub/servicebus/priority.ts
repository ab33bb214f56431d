/**
 * Of what ServiceBus sends up. Somebody waits for it, so it goes before what devices say; and where nobody takes it, it
 * holds up nothing else.
 */
export const servicePriority = 5;
