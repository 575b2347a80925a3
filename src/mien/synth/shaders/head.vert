#version 330
uniform mat4 clip;
uniform float hair_volume;
in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in float in_part;
in float in_scalp;
in float in_side;
out vec3 position;
out vec3 normal;
out vec2 uv;
out float scalp;
flat out float part;
flat out float side;

void main() {
    float standing = hair_volume * smoothstep(0.3, 1.0, in_scalp);
    position = in_position + in_normal * standing;
    normal = in_normal;
    uv = in_uv;
    scalp = in_scalp;
    part = in_part;
    side = in_side;
    gl_Position = clip * vec4(position, 1.0);
}
