#version 330
uniform mat3 pose;
uniform float camera_distance;
uniform sampler2D skin;
uniform vec3 iris, sclera, teeth, mouth, hair;
uniform vec3 eyes[2];
uniform vec3 gaze[2];
uniform vec3 light_direction, key, sky, ground;
uniform float gloss, hair_volume;
in vec3 position;
in vec3 normal;
in vec2 uv;
in float scalp;
flat in float part;
flat in float side;
out vec4 colour;

// strands: stripes along the head that vary from place to place
float strands(vec3 p) {
    float across = sin(p.x * 9.0 + 2.0 * sin(p.y * 1.3) + p.z * 3.0);
    return 0.8 + 0.2 * across * sin(p.x * 23.0 + p.y * 2.0 + p.z * 7.0);
}

void main() {
    vec3 albedo;
    float shine = gloss;
    float open = 1.0;  // how much light reaches the place
    float opacity = 1.0;
    if (part < 0.5) {
        albedo = texture(skin, uv).rgb;
        float covered = smoothstep(0.35, 0.55, scalp + 0.06 * sin(position.x * 5.0 + position.y * 3.0));
        if (hair_volume > 0.0 && covered > 0.0) {
            albedo = mix(albedo, hair * strands(position), covered);
            shine = mix(gloss, 0.3 * gloss, covered);
        }
    } else if (part < 1.5) {
        int i = int(side + 0.5);
        float c = dot(normalize(position - eyes[i]), gaze[i]);
        float angle = acos(clamp(c, -1.0, 1.0));
        vec3 ringed = mix(iris, 0.35 * iris, smoothstep(0.36, 0.46, angle));
        albedo = mix(ringed, sclera, smoothstep(0.44, 0.50, angle));
        albedo = mix(vec3(0.02), albedo, smoothstep(0.17, 0.22, angle));
        shine = 0.5;
    } else if (part < 2.5) {
        albedo = teeth;
        shine = 0.3;
    } else if (part < 3.5) {
        albedo = mouth;
        open = 0.45;
    } else if (part < 4.5) {
        // lashes are separate hairs, finer than a pixel: a dark veil over what is behind
        opacity = 0.35;
        albedo = vec3(0.06, 0.045, 0.04);
        shine = 0.0;
    } else {
        albedo = hair * strands(position);
        shine = 0.2 * gloss;
    }
    vec3 n = normalize(pose * normal);
    vec3 to_camera = normalize(vec3(0.0, 0.0, camera_distance) - pose * position);
    if (dot(n, to_camera) < 0.0) n = -n;  // thin parts, such as hair, are seen from both sides
    // skin lets some light through, so that the shade begins beyond the edge of the lit side
    float wrapped = max((dot(n, light_direction) + 0.25) / 1.25, 0.0);
    vec3 ambient = mix(ground, sky, 0.5 + 0.5 * n.y);
    vec3 half_way = normalize(light_direction + to_camera);
    float highlight = shine * pow(max(dot(n, half_way), 0.0), 24.0);
    vec3 lit = albedo * open * (ambient + key * wrapped) + key * highlight * open;
    colour = vec4(pow(clamp(lit, 0.0, 1.0), vec3(1.0 / 1.8)), opacity);
}
