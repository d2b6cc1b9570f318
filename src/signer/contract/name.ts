/** Names of services, publishers and backends: file names, log fields and metric labels at once. */
export const NAME_PATTERN = '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$';
