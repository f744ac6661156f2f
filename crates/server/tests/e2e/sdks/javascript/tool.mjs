// The one tool that every SDK offers its model.

export const TOOL = { name: "weather", description: "The weather in a city" };
export const SCHEMA = { type: "object", properties: { city: { type: "string" } } };
