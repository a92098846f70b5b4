/* Streaming runtime for policies of the project aaren: load a policy.safetensors and act.
 *
 * A policy holds the weights and may be used by several threads at once. A stream holds one
 * episode, streams hold several that are stepped together; they belong to one thread at a time and
 * keep their policy alive, so that all may be freed in any order. Functions that can fail return NULL
 * or -1 and leave a message in aaren_last_error(); no function prints, exits, or lets a panic out.
 * Passing NULL for a handle is an error, except when freeing. */
#ifndef AAREN_STREAMING_H
#define AAREN_STREAMING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aaren_policy aaren_policy;
typedef struct aaren_stream aaren_stream;
typedef struct aaren_streams aaren_streams;

/* Load a policy from a file, whose path is what open() takes, or from the bytes of such a file, which
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

/* What the file says of itself: its header as JSON, UTF-8 without a zero byte at its end, into
 * `capacity` bytes at `text`; returns the bytes needed, and writes nothing if that is more than the
 * capacity, so that a first call with NULL and 0 asks for the size. 0 on failure. */
size_t aaren_header(const aaren_policy *policy, char *text, size_t capacity);

/* The bytes of a policy file with its matrices rounded to int8, a third to a half of the size, into `capacity`
 * bytes at `rounded`, with sizes as in aaren_header. 0 on failure. */
size_t aaren_quantise(const uint8_t *bytes, size_t length, uint8_t *rounded, size_t capacity);

/* The bytes of a policy file as a C99 header that needs nothing else, whose declarations begin with
 * `name`, into `capacity` bytes at `text`, with sizes as in aaren_header. 0 on failure. */
size_t aaren_c_file(const uint8_t *bytes, size_t length, const char *name, char *text, size_t capacity);

/* A stream in the roll-out regime that the file names. NULL on failure. */
aaren_stream *aaren_stream_new(const aaren_policy *policy);
void aaren_stream_free(aaren_stream *stream);

/* Begin an episode, asking for target_return. INFINITY asks, at each timestep, for the most that can be had from there,
 * which policies with the return in their head predict. 0, or -1 on failure. */
int aaren_reset(aaren_stream *stream, double target_return);

/* How much an asked return counts from the next step on: a_free + guidance (a_asked - a_free). A new stream has the file's
 * guidance, usually 1; another one needs a policy that also acted free of returns in training. 0, or -1 on failure. */
int aaren_set_guidance(aaren_stream *stream, double guidance);

/* One step: the action for an observation, in the environment's units. previous_reward is what the
 * previous action earned; the first step after a reset ignores it. The sizes are those of the
 * arrays and must be the policy's. With a state of constant size a step allocates nothing, takes no
 * lock and calls nothing of the system. 0, or -1 on failure. */
int aaren_act(aaren_stream *stream, const float *observation, size_t observation_size,
              double previous_reward, float *action, size_t action_size);

/* The same for an observation in double precision, as most environments give it: it is normalised
 * before it is rounded. */
int aaren_act_double(aaren_stream *stream, const double *observation, size_t observation_size,
                     double previous_reward, float *action, size_t action_size);

/* Bytes that the stream must keep of its episode between two steps: of a window its inputs. 0 for NULL. */
size_t aaren_state_size(const aaren_stream *stream);

/* Save the stream into `capacity` bytes at `bytes`, with sizes as in aaren_header. 0 on failure. */
size_t aaren_save(const aaren_stream *stream, uint8_t *bytes, size_t capacity);

/* Go on from what aaren_save wrote, on a stream of the same policy and regime. 0, or -1 on failure,
 * when the stream is as it was. */
int aaren_restore(aaren_stream *stream, const uint8_t *bytes, size_t length);

/* `count` streams that share each pass over the weights, in the roll-out regime that the file names.
 * Each acts, bit for bit, as a stream of its own would. NULL on failure, also where memory has no room
 * for so many. */
aaren_streams *aaren_streams_new(const aaren_policy *policy, size_t count);
void aaren_streams_free(aaren_streams *streams);

/* Begin an episode in stream `index`, counted from 0. 0, or -1 on failure. */
int aaren_streams_reset(aaren_streams *streams, size_t index, double target_return);

/* aaren_set_guidance for all of them. 0, or -1 on failure. */
int aaren_streams_set_guidance(aaren_streams *streams, double guidance);

/* One step of all streams: observations [count, observation size], one previous reward for each,
 * actions [count, action size], row by row; the sizes are those of the arrays. 0, or -1 on failure. */
int aaren_streams_act(aaren_streams *streams, const double *observations, size_t observations_size,
                      const double *previous_rewards, size_t rewards_size, float *actions,
                      size_t actions_size);

/* aaren_save and aaren_restore of stream `index`; what the one wrote for a stream, the other reads for
 * one of several, and the other way round. */
size_t aaren_streams_save(const aaren_streams *streams, size_t index, uint8_t *bytes, size_t capacity);
int aaren_streams_restore(aaren_streams *streams, size_t index, const uint8_t *bytes, size_t length);

/* The same of all streams at once. As many streams restore as were saved; on failure all are as they
 * were. */
size_t aaren_streams_save_all(const aaren_streams *streams, uint8_t *bytes, size_t capacity);
int aaren_streams_restore_all(aaren_streams *streams, const uint8_t *bytes, size_t length);

/* The message of this thread's last failure, or an empty string. Valid until the thread's next
 * failure; not to be freed. */
const char *aaren_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
