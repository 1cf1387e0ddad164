// A style sheet that a module imports is its text.
declare module "*.css" {
  const text: string;
  export default text;
}
