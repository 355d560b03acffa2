declare module "virtual:api" {
  /** Path → method → names of its query parameters. */
  const features: Record<string, Record<string, string[]>>;
  export default features;
}
