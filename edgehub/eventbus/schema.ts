export const eventBusTables = `
  -- Topics the cloud wants to hear of; KubeEdge's sub_topics.
  CREATE TABLE sub_topics (topic TEXT PRIMARY KEY) WITHOUT ROWID;
`;
