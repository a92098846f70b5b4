/* Streaming runtime for policies of the project aaren: load a policy.safetensors and act.
 *
 * A policy holds the weights and may be used by several threads at once. A stream holds one
 * episode and belongs to one thread at a time; it keeps its policy alive, so the two may be freed
 * in any order. Functions that can fail return NULL or -1 and leave a message in
 * aaren_last_error(); no function prints, exits, or lets a panic out. Passing NULL for a handle is
 * an error, except when freeing. */
#ifndef AAREN_STREAMING_H
#define AAREN_STREAMING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aaren_policy aaren_policy;
typedef struct aaren_stream aaren_stream;

/* Load a policy from a file whose path is a UTF-8 string, or from the bytes of such a file, which
 * are copied. NULL on failure. */
aaren_policy *aaren_load(const char *path);
aaren_policy *aaren_load_bytes(const uint8_t *bytes, size_t length);
void aaren_policy_free(aaren_policy *policy);

/* Entries of an observation, and of an action: its dimensions, or 1 where the policy makes a
 * choice, which is then the index. 0 for NULL. */
size_t aaren_observation_size(const aaren_policy *policy);
size_t aaren_action_size(const aaren_policy *policy);

/* The return the policy is meant to be asked for, 0 if the file names none. */
double aaren_target_return(const aaren_policy *policy);

/* A stream in the roll-out regime that the file names. NULL on failure. */
aaren_stream *aaren_stream_new(const aaren_policy *policy);
void aaren_stream_free(aaren_stream *stream);

/* Begin an episode, asking for target_return. 0, or -1 on failure. */
int aaren_reset(aaren_stream *stream, double target_return);

/* One step: the action for an observation, in the environment's units. previous_reward is what the
 * previous action earned; the first step after a reset ignores it. The sizes are those of the
 * arrays and must be the policy's. Does not allocate. 0, or -1 on failure. */
int aaren_act(aaren_stream *stream, const float *observation, size_t observation_size,
              double previous_reward, float *action, size_t action_size);

/* Bytes of what the stream remembers of its episode. 0 for NULL. */
size_t aaren_state_size(const aaren_stream *stream);

/* Save the stream into `capacity` bytes at `bytes`; returns the bytes needed, and writes nothing if
 * that is more than the capacity, so that a first call with NULL and 0 asks for the size. 0 on
 * failure. */
size_t aaren_save(const aaren_stream *stream, uint8_t *bytes, size_t capacity);

/* Go on from what aaren_save wrote, on a stream of the same policy and regime. 0, or -1 on failure,
 * when the stream is as it was. */
int aaren_restore(aaren_stream *stream, const uint8_t *bytes, size_t length);

/* The message of this thread's last failure, or an empty string. Valid until the thread's next
 * failure; not to be freed. */
const char *aaren_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
